"""One loaded run that answers whoever asks at an address (`predict --listen`)."""
