"""The formats of other libraries, for those who offer them and must not import what writes them."""

from __future__ import annotations

FORMATS = {
    "sentence-transformers": "opens in SentenceTransformer(folder): the shared encoder",
    "transformers": "a folder per task for AutoModelFor…Classification",
}
"""What each is good for."""
