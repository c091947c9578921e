# The tables: one a role, only with store = "dynamodb", and never deleted or forgetting by accident.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "no_tables_with_sqlite" {
  command = plan

  assert {
    condition     = length(aws_dynamodb_table.role) == 0 && output.table_names == {}
    error_message = "There are tables although the services keep their state in SQLite."
  }

  assert {
    condition = alltrue([
      for it in concat(values(aws_iam_policy.publisher), [aws_iam_policy.operator]) : !strcontains(it.policy, "dynamodb")
    ])
    error_message = "A policy allows DynamoDB although there are no tables."
  }
}

run "a_table_a_role" {
  command = plan
  variables { store = "dynamodb" }

  assert {
    condition = output.table_names == { for role in run.topics.roles : role => "booking-${role}" } && alltrue([
      for role, it in aws_dynamodb_table.role : it.name == "booking-${role}"
    ])
    error_message = "There is not exactly one table booking-<role> for each role."
  }

  assert {
    condition     = alltrue([for it in aws_dynamodb_table.role : it.hash_key == "key" && it.range_key == null])
    error_message = "A table's primary key is not `key` alone."
  }

  assert {
    condition     = alltrue([for it in aws_dynamodb_table.role : it.billing_mode == "PAY_PER_REQUEST"])
    error_message = "A table has provisioned capacity: it would throttle, or cost at rest."
  }

  assert {
    condition     = alltrue([for it in aws_dynamodb_table.role : it.point_in_time_recovery[0].enabled == true])
    error_message = "A table cannot be brought back to a point in time."
  }

  assert {
    condition     = alltrue([for it in aws_dynamodb_table.role : it.deletion_protection_enabled == true])
    error_message = "A table can be deleted by mistake."
  }

  assert {
    condition     = alltrue([for it in aws_dynamodb_table.role : !try(it.ttl[0].enabled, false)])
    error_message = "A table forgets: a final state must never expire."
  }

  assert {
    condition     = alltrue([for it in aws_dynamodb_table.role : try(it.server_side_encryption[0].kms_key_arn, null) == null])
    error_message = "A table has a key although none was given."
  }

  # DynamoDB refuses an attribute that no key uses.
  assert {
    condition = toset(flatten([
      for role, it in aws_dynamodb_table.role : [for attribute in it.attribute : "${role} ${attribute.name} ${attribute.type}"]
      ])) == toset(concat(
      formatlist("%s key S", tolist(run.topics.roles)),
      ["status phase S", "status open_phase S", "status at_ms N"],
      ["status flight S", "status day S", "status departure S"],
    ))
    error_message = "The attributes of a table are not exactly those of its keys."
  }

  assert {
    condition = toset(flatten([
      for role, it in aws_dynamodb_table.role : [
        for index in it.global_secondary_index : join(" ", [role, index.name, index.hash_key, index.range_key, index.projection_type])
      ]
      ])) == toset([
      "status newest phase at_ms KEYS_ONLY",
      "status stalest open_phase at_ms KEYS_ONLY",
      "status of_flight flight departure KEYS_ONLY",
      "status of_day day departure KEYS_ONLY",
    ])
    error_message = "The indexes are not the four of the table of status alone, with keys only."
  }
}

run "deletion_protection_can_be_lifted" {
  command = plan
  variables {
    store               = "dynamodb"
    deletion_protection = false
  }

  assert {
    condition     = alltrue([for it in aws_dynamodb_table.role : it.deletion_protection_enabled == false])
    error_message = "deletion_protection has no effect."
  }
}
