# SPDX-License-Identifier: Apache-2.0
"""Files of `torch.save`, ours and foreign ones, read as data: nothing they name is ever imported or called."""
