# SPDX-License-Identifier: Apache-2.0
"""Where seine-proxy means to differ from Envoy, and why. A row that explains nothing any more fails the run."""
from compare import Deliberate

ANY = Deliberate.ANY

# (cases, names, Envoy's value, Seine's value, reason)
ROWS = [
]
