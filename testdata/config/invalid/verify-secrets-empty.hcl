destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "github" {
    secrets = [env("EMPTY")] # ERROR: nothing is in the environment variable EMPTY
  }
}

receiver "none" {
  verify "github" {
    secrets = [] # ERROR: There is no secret in the list
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
