"""Where a network's time goes, operator by operator, beside what this CPU can do at best."""
