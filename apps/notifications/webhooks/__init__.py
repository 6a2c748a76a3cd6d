"""Facts told to other systems over HTTP: where they may go, how they are signed, and the process that sends them."""
