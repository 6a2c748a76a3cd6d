"""The paper that proves a signature: how it is written, sealed, and asked for."""
