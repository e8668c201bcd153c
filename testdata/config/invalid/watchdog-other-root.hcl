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
    when     = change.op == "created" # ERROR: There is no "change" in when, which is about event
    record   = event.body
    expects  = event.headers["X-Event"] == "" # ERROR: There is no "event" in expects, which is about change
  }
}
