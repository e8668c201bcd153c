destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "token" {
    header  = "X Token" # ERROR: "X Token" cannot be the name of a header
    secrets = [env("SECRET")]
  }
}

receiver "github" {
  verify "github" {
    header  = "X-Token" # ERROR: An argument named "header" is not expected here
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
