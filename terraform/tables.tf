# One table for each role, which all replicas of that role share. Created only with store =
# "dynamodb".

locals {
  # The role that answers questions over HTTP: which bookings are in a phase, and which wait
  # longest.
  answering = "status"

  stored = var.store == "dynamodb" ? local.roles : toset([])

  # All indexes have keys only: a row is read from the table itself, with a consistent read, and an
  # event writes little more than the row.
  indexes = {
    # The bookings of one phase, newest first.
    newest = { hash_key = "phase", range_key = "at_ms" }
    # Sparse: a row has the attribute open_phase only while its booking waits for something.
    stalest = { hash_key = "open_phase", range_key = "at_ms" }
    # The bookings of one flight, and those of one day of departure. These keys do not change with
    # further events, so only the first event of a booking writes to these indexes.
    of_flight = { hash_key = "flight", range_key = "departure" }
    of_day    = { hash_key = "day", range_key = "departure" }
  }

  role_indexes = { for role in local.stored : role => role == local.answering ? local.indexes : {} }

  # DynamoDB must be told the types of key attributes, and refuses other attributes here.
  attributes = {
    for role in local.stored : role => merge(
      { key = "S" },
      role == local.answering ? {
        phase = "S", open_phase = "S", at_ms = "N", flight = "S", day = "S", departure = "S"
      } : {},
    )
  }
}

# There is no TTL: a final state is never deleted. A request that is put back from a dead-letter
# queue weeks later must find that its booking has ended, or the card would be charged again.
resource "aws_dynamodb_table" "role" {
  for_each = local.stored

  name                        = local.table_names[each.key]
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "key"
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = local.attributes[each.key]

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.role_indexes[each.key]

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash_key
      range_key       = global_secondary_index.value.range_key
      projection_type = "KEYS_ONLY"
    }
  }

  point_in_time_recovery {
    enabled = true
  }

  # Without this block DynamoDB encrypts with a key of its own, free of charge.
  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }
}
