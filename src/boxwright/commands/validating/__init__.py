# SPDX-License-Identifier: Apache-2.0
"""What a validation is turned into: documents, files, tables."""
