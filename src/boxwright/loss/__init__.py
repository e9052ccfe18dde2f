# SPDX-License-Identifier: Apache-2.0
"""Loss: which prediction answers for which target, and how wrong it is."""
