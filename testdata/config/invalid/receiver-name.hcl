destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in out" { # ERROR: A name is made of letters
  verify "bearer" {
    secrets = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
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
