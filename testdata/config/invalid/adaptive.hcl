destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "times" {
  schedule = "0 3 * * *"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
  }
  key = "id"
  adaptive { # ERROR: Times of day cannot be adapted
    min = "10s"
    max = "10m"
  }
}
job "bounds" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
  }
  key = "id"
  adaptive {
    min = "1m" # ERROR: min is more than the 30s of schedule
    max = "10m"
  }
}
job "longest" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
  }
  key = "id"
  adaptive {
    min = "10s"
    max = "20s" # ERROR: max is less than the 30s of schedule
  }
}
job "words" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
  }
  key = "id"
  adaptive { # ERROR: "max"
    min   = "0s" # ERROR: at least 1s
    quick = true # ERROR: "quick"
  }
}
