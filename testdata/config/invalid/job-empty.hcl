job "orders" { # ERROR: "schedule" is required # ERROR: "key" is required # ERROR: "deliver" is required # ERROR: source "http" { … } is required in job "orders"
}
