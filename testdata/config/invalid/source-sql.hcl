destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "sql" {
    driver = "postgresql" # ERROR: Did you mean "postgres"?
    dsn    = env("SECRET")
    query  = "select * from orders"
  }
}
job "customers" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "sql" {
    driver = "sqlite"
    dsn    = "legacy.db"
    query  = "select * from customers where updated_at >= :since" # ERROR: Write … where :since is null or updated_at >= :since, or set initial.
    since {
      value = "updated_at"
    }
  }
}
