bridge {
  retain {
    events = 720 # ERROR: "events" is a duration in quotes
    dead = "1 month" # ERROR: Invalid value for "dead"
  }
}
