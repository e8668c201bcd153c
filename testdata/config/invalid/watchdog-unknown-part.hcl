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
    when     = event.header["X-Event"] == "a" # ERROR: Did you mean event.headers?
    record   = event.payload                  # ERROR: There is no event.payload. It has receiver, id, headers and body.
  }
}
