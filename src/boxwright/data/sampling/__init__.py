# SPDX-License-Identifier: Apache-2.0
"""Orders of an epoch, batches, samples, and the threads that draw them."""
