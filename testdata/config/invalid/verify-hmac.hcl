destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "hmac" {      # ERROR: The argument "header" is required
    algorithm = "md5"  # ERROR: "md5" is not a choice
    encoding  = "text" # ERROR: "text" is not a choice
    prefx     = ""     # ERROR: Did you mean "prefix"?
    secrets   = [env("SECRET")]
    time {
      header = "X Time" # ERROR: cannot be the name of a header
      path   = "*"      # ERROR: "*" is not a path
    }
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
