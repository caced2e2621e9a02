"""The loops that carry out tasks, deliver webhooks and sweep: they decide when, the flows do the work."""
