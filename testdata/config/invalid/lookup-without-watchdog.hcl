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

  lookup { # ERROR: Add a watchdog with on_event = "lookup"
    url = "https://legacy.example.com/orders/${event.body.id}"
  }
}
