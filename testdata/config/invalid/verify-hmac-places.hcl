destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "hmac" {
    header  = "X-Signature"
    secrets = [env("SECRET")]
    time { # ERROR: write header, part or path
      header = "X-Time"
      path   = "time"
    }
  }
}

receiver "id" {
  verify "hmac" {
    header  = "X-Signature"
    secrets = [env("SECRET")]
    id {} # ERROR: write header or path
  }
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "http" {
    url = "https://legacy.example.com/orders"
  }
}
