destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "github" {
    secrets = [env("SECRET")]
  }
}

receiver "in" { # ERROR: There is a receiver "in" already
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
