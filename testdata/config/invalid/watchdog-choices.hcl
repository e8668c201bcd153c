destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "github" {
    secrets = [env("SECRET")]
  }
}

job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  version  = "v"
  source "http" {
    url = "https://legacy.example.com/orders"
  }

  watchdog {
    receiver      = receiver.in
    on_event      = "pol" # ERROR: Did you mean "poll"?
    record        = event.body
    min           = "0s"  # ERROR: "min" must be at least 1s
    audit         = "1s"  # ERROR: "audit" must be at least 1m
    grace         = 5     # ERROR: "grace" is a duration in quotes
    recover_after = 0     # ERROR: "recover_after" must be between 1 and 1000
    silence       = "aut" # ERROR: "aut" is not a duration
  }
}
