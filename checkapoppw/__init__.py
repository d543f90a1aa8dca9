"""A checkpassword program for HIROSE Yuuji's apoppw schema: each address's password in its owner's hands."""

__version__ = "0.1.0"
