# SPDX-License-Identifier: Apache-2.0
"""Settings: one schema, one precedence, and the source of every value."""
