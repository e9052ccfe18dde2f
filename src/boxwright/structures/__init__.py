# SPDX-License-Identifier: Apache-2.0
"""Values that rooms hand to each other. Each refuses to be wrong when it is made; nobody checks it again."""
