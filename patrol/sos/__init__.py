"""Calls for help: raised by officers, poles and citizens, escalated until a person answers, and followed to their end."""
