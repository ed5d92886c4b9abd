//! What a rolling update needs to know and what it decides: pure.
