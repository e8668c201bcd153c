destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {    # WARNING: No job listens to "in", and it relays to nobody
  verify "bearer" {
    secrets = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
  }
}

receiver "d" {
  deliver = [destination.d]
  verify "bearer" {
    secrets = [env("SECRET")]
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
