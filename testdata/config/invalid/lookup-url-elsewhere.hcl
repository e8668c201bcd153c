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
    receiver = receiver.in
    on_event = "lookup"
  }

  lookup {
    url = "https://other.example.com/orders/${event.body.id}" # ERROR: The url is not of the source's own origin, https://legacy.example.com:443; no other gets its login
  }
}
