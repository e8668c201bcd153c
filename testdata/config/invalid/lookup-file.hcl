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
  source "file" {
    path = "drops/*.json"
  }

  watchdog {
    receiver = receiver.in
    on_event = "lookup"
  }

  lookup { # ERROR: A source "file" has no single records to look up
    url = "https://legacy.example.com/orders/${event.body.id}"
  }
}
