# Everything is encrypted, by SQS's own keys or by the customer's.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
}

run "sse_sqs_by_default" {
  command = plan

  assert {
    condition = alltrue([
      for it in concat(values(aws_sqs_queue.role), values(aws_sqs_queue.dlq), values(aws_sqs_queue.undelivered)) :
      it.sqs_managed_sse_enabled == true && it.kms_master_key_id == null
    ])
    error_message = "A queue is not encrypted with SSE-SQS."
  }

  assert {
    condition     = alltrue([for it in aws_sns_topic.topic : it.kms_master_key_id == null])
    error_message = "A topic has a key although none was given."
  }

  assert {
    condition     = alltrue([for it in concat(values(aws_iam_policy.publisher), [aws_iam_policy.operator]) : !strcontains(it.policy, "kms:")])
    error_message = "An IAM policy allows KMS although there is no key."
  }
}

run "customer_managed_key" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
  }

  # sqs_managed_sse_enabled cannot be asserted here: left out, it is only known after apply.
  assert {
    condition = alltrue([
      for it in concat(
        values(aws_sqs_queue.role), values(aws_sqs_queue.dlq), values(aws_sqs_queue.undelivered),
        values(aws_sns_topic.topic), aws_sns_topic.alarms
      ) : it.kms_master_key_id == var.kms_key_arn
    ])
    error_message = "A queue or a topic is not encrypted with the given key."
  }

  assert {
    condition = alltrue(concat(
      [for it in aws_dynamodb_table.role : it.server_side_encryption[0].enabled && it.server_side_encryption[0].kms_key_arn == var.kms_key_arn],
      [for it in aws_cloudwatch_log_group.role : it.kms_key_id == var.kms_key_arn],
    )) && length(aws_dynamodb_table.role) == 4 && length(aws_cloudwatch_log_group.role) == 4
    error_message = "A table or a log group is not encrypted with the given key."
  }

  assert {
    condition = alltrue([
      for it in concat(values(aws_iam_policy.publisher), [aws_iam_policy.operator]) : toset([
        for statement in jsondecode(it.policy).Statement : jsonencode(statement) if strcontains(jsonencode(statement), "kms")
        ]) == toset([jsonencode({
          Sid      = "UseKey"
          Effect   = "Allow"
          Action   = ["kms:Decrypt", "kms:GenerateDataKey*"]
          Resource = [var.kms_key_arn]
      })])
    ])
    error_message = "A policy does not allow exactly kms:Decrypt and kms:GenerateDataKey* on exactly the given key."
  }
}
