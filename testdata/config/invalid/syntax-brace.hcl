job "orders" {
  key = ["id"
} # ERROR: Missing item separator
