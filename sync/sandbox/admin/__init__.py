"""The sandbox's own side: endpoints and pages that the real service does not have."""
