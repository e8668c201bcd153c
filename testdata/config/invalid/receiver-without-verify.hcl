destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {              # ERROR: verify "standard" { secrets = [ … ] } is required in receiver "in"
  decode   = "jsn"           # ERROR: Did you mean "json"?
  dedup    = "1s"            # ERROR: "dedup" must be at least 1m
  allow    = ["10.0.0.0/99"] # ERROR: This is not a network
  max_body = "1GiB"          # ERROR: at most 64MiB
  rate     = "fast"          # ERROR: "fast" is not a rate
  deliver  = [destination.e] # ERROR: There is no destination "e"
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "http" {
    url = "https://legacy.example.com/orders"
  }
}
