# Settings that make no sense are refused before anything is created.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
}

run "prefix_with_a_forbidden_character" {
  command = plan
  variables { prefix = "Staging_" }
  expect_failures = [var.prefix]
}

run "prefix_too_long" {
  command = plan
  variables { prefix = "a-prefix-that-is-thirty-three-ch-" }
  expect_failures = [var.prefix]
}

run "prefix_just_short_enough" {
  command = plan
  variables { prefix = "a-prefix-that-is-thirty-two-cha-" }

  assert {
    condition     = length(var.prefix) == 32 && alltrue([for it in aws_sqs_queue.undelivered : length(it.name) <= 80])
    error_message = "The longest prefix leaves no room for the longest queue name (SQS allows 80)."
  }
}

run "account_id_not_12_digits" {
  command = plan
  variables { account_id = "12345" }
  expect_failures = [var.account_id]
}

run "region_not_a_code" {
  command = plan
  variables { region = "Frankfurt" }
  expect_failures = [var.region]
}

run "key_alias_instead_of_key" {
  command = plan
  variables { kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:alias/booking" }
  expect_failures = [var.kms_key_arn]
}

run "no_delivery_at_all" {
  command = plan
  variables { max_receive_count = 0 }
  expect_failures = [var.max_receive_count]
}

run "visibility_beyond_12_hours" {
  command = plan
  variables { visibility_timeout_s = 43201 }
  expect_failures = [var.visibility_timeout_s]
}

run "long_poll_beyond_20_seconds" {
  command = plan
  variables { receive_wait_s = 21 }
  expect_failures = [var.receive_wait_s]
}

run "retention_beyond_14_days" {
  command = plan
  variables { message_retention_s = 1209601 }
  expect_failures = [var.message_retention_s]
}

run "dead_letters_kept_shorter_than_messages" {
  command = plan
  variables {
    message_retention_s     = 345600
    dead_letter_retention_s = 345599
  }
  expect_failures = [var.dead_letter_retention_s]
}

run "dead_letters_kept_as_long_as_messages" {
  command = plan
  variables {
    message_retention_s     = 345600
    dead_letter_retention_s = 345600
  }
}

run "endpoint_with_a_path" {
  command = plan
  variables { endpoint_url = "http://127.0.0.1:4566/path" }
  expect_failures = [var.endpoint_url]
}

run "side_by_side_on_aws" {
  command = plan
  variables { side_by_side = true }
  expect_failures = [var.side_by_side]
}
