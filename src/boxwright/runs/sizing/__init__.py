# SPDX-License-Identifier: Apache-2.0
"""How large a batch may be: steps on copies that teach nothing."""
