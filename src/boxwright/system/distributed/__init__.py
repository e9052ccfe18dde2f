# SPDX-License-Identifier: Apache-2.0
"""Several processes that train one network: how they are started, meet, speak to each other, and do not hang."""
