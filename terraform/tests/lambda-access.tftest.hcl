# Who may do what with functions, exactly: statements are compared whole, so that a right too many fails as
# surely as one too few.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  compute    = "lambda"
  store      = "dynamodb"
  flights    = "sample"
  gateway    = "simulated"
  mailer     = "folder"
  lambda_zip = "versions.tf"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

# What the roles may do, and what was allowed before: the services and their tasks are the same.
run "containers" {
  command = plan

  variables {
    compute    = "containers"
    lambda_zip = null
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
  }

  assert {
    condition     = length(aws_iam_role.function) == 0 && length(aws_iam_policy.status_url) == 0
    error_message = "There are roles of functions without functions."
  }
}

run "identities_of_functions" {
  command = plan

  assert {
    condition = alltrue([
      for role, it in aws_iam_role.function : it.name == "booking-${role}-function" &&
      jsondecode(it.assume_role_policy) == jsondecode(jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid       = "RunFunction"
          Effect    = "Allow"
          Principal = { Service = "lambda.amazonaws.com" }
          Action    = "sts:AssumeRole"
        }]
      }))
    ]) && toset(keys(aws_iam_role.function)) == run.topics.roles
    error_message = "There is not exactly one role for each function, or another than Lambda may take it."
  }

  assert {
    condition = {
      for role, it in aws_iam_role_policy_attachment.function : role => "${it.role} ${it.policy_arn}"
      } == {
      for role in run.topics.roles : role => "booking-${role}-function arn:aws:iam::123456789012:policy/booking-${role}"
    }
    error_message = "A function does not act under its role's own policy."
  }

  # Beside that policy, this one alone. It cannot make a log group.
  assert {
    condition = {
      for role, it in aws_iam_role_policy.function : role => "${it.role} ${it.policy}"
      } == {
      for role in run.topics.roles : role => "booking-${role}-function ${jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid      = "WriteLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/booking-${role}:log-stream:*"]
        }]
      })}"
    }
    error_message = "A function may write another log than its own, or do something else beside its policy."
  }
}

# The policies of the roles are those of containers: what Lambda needs to bring the messages is in them.
run "policies_of_the_roles" {
  command = plan

  assert {
    condition = {
      for publisher, it in aws_iam_policy.publisher : publisher => join(", ", sort(flatten([
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
        ]
      ])))
      } == {
      for publisher in setunion(run.topics.listeners, ["client"]) : publisher => join(", ", sort(concat(
        formatlist("Allow sns:Publish arn:aws:sns:eu-central-1:123456789012:%s", lookup(run.topics.publishes, publisher, [])),
        publisher == "client" ? [] : [
          "Allow sqs:ReceiveMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:DeleteMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:ChangeMessageVisibility arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:GetQueueAttributes arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}-dlq",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}-dlq",
        ],
        !contains(run.topics.roles, publisher) ? [] : [
          "Allow dynamodb:GetItem arn:aws:dynamodb:eu-central-1:123456789012:table/booking-${publisher}",
          "Allow dynamodb:PutItem arn:aws:dynamodb:eu-central-1:123456789012:table/booking-${publisher}",
        ],
        !contains(["seats", "status"], publisher) ? [] : [
          "Allow dynamodb:BatchGetItem arn:aws:dynamodb:eu-central-1:123456789012:table/booking-${publisher}",
        ],
        publisher != "status" ? [] : formatlist(
          "Allow dynamodb:Query arn:aws:dynamodb:eu-central-1:123456789012:table/booking-status/index/%s", ["newest", "stalest", "of_flight", "of_day"]
        ),
      )))
    }
    error_message = "A function may do more, or less, than its role does."
  }

  assert {
    condition = alltrue(flatten([
      for it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement : keys(statement) == ["Action", "Effect", "Resource", "Sid"]
      ]
    ]))
    error_message = "An IAM statement has other elements than Sid, Effect, Action and Resource."
  }

  # As Lambda asks of whoever receives by it.
  assert {
    condition = alltrue([
      for role in run.topics.roles : length(setsubtract(
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        flatten([
          for it in jsondecode(aws_iam_policy.publisher[role].policy).Statement : it.Action
          if contains(it.Resource, aws_lambda_event_source_mapping.role[role].event_source_arn)
        ])
      )) == 0
    ])
    error_message = "Lambda may not take messages from the queue of a function."
  }
}

run "with_a_key_of_the_customer" {
  command = plan
  variables { kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }

  # For the messages and for the environment of the function.
  assert {
    condition = alltrue([
      for role in run.topics.roles : [
        for it in jsondecode(aws_iam_policy.publisher[role].policy).Statement : "${join(" ", it.Action)} ${join(" ", it.Resource)}" if it.Sid == "UseKey"
      ] == ["kms:Decrypt kms:GenerateDataKey* ${var.kms_key_arn}"]
    ]) && alltrue([for it in aws_lambda_function.role : it.kms_key_arn == var.kms_key_arn])
    error_message = "A function may not use exactly the given key."
  }
}

run "mail_by_ses" {
  command = plan

  variables {
    mailer           = "ses"
    mail_from        = "receipts@example.com"
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/example.com"
  }

  assert {
    condition = {
      for role in run.topics.roles : role => strcontains(aws_iam_policy.publisher[role].policy, "ses:")
    } == { for role in run.topics.roles : role => role == "receipt" }
    error_message = "Not exactly receipt may send mail."
  }
}

# Ids are known only after an apply, here of the mocked provider.
run "who_asks_status_signs" {
  command = apply

  assert {
    condition = (
      aws_lambda_function_url.status[0].function_name == "booking-status" && aws_lambda_function_url.status[0].authorization_type == "AWS_IAM" &&
      length(aws_lambda_function_url.status[0].cors) == 0 && output.status_url == aws_lambda_function_url.status[0].function_url
    )
    error_message = "Not exactly status has a URL, or it answers whoever does not sign."
  }

  # Without its condition, the second right would let whoever asks bring forged messages.
  assert {
    condition = aws_iam_policy.status_url[0].name == "booking-status-url" && jsondecode(aws_iam_policy.status_url[0].policy) == jsondecode(jsonencode({
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "AskStatus"
          Effect    = "Allow"
          Action    = ["lambda:InvokeFunctionUrl"]
          Resource  = ["arn:aws:lambda:eu-central-1:123456789012:function:booking-status"]
          Condition = { StringEquals = { "lambda:FunctionUrlAuthType" = "AWS_IAM" } }
        },
        {
          Sid       = "ByItsUrlAlone"
          Effect    = "Allow"
          Action    = ["lambda:InvokeFunction"]
          Resource  = ["arn:aws:lambda:eu-central-1:123456789012:function:booking-status"]
          Condition = { Bool = { "lambda:InvokedViaFunctionUrl" = "true" } }
        },
      ]
    }))
    error_message = "Whoever may ask status may do more, or less, than ask it at its URL."
  }

  assert {
    condition     = toset(keys(output.policy_arns)) == setunion(run.topics.listeners, ["client", "operator", "status_url"])
    error_message = "The policy of those who ask status is not among the outputs, or others are."
  }

  # By their own policies, nobody else calls a function.
  assert {
    condition = alltrue([
      for it in concat(values(aws_iam_policy.publisher), [aws_iam_policy.operator]) : !strcontains(it.policy, "lambda:")
    ])
    error_message = "A role, a client or an operator may call functions."
  }
}
