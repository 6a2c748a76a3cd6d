"""The base classes through which every face of the platform asks the access policy."""
