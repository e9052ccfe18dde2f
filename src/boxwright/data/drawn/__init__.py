# SPDX-License-Identifier: Apache-2.0
"""The packaged sample set: pictures that are drawn, not stored, with labels that are exact by construction."""
