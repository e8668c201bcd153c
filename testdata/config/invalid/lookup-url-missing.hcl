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

  lookup {             # ERROR: The argument "url" is required in lookup
    record = "data[0]" # ERROR: it may only hold dotted names
  }
}
