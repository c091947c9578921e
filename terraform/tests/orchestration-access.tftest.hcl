# Who may do what with the state machine and with the queues of its tasks, exactly. As in
# access.tftest.hcl, a right too many fails as surely as one too few.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id  = "123456789012"
  region      = "eu-central-1"
  integration = "step-functions"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

# A tripwire: whoever changes the choreography changes these knowingly.
run "who_tells_whom" {
  command = plan

  assert {
    condition = { for role, told in local.tells : role => join(" ", told) } == {
      seats   = "payment receipt status"
      payment = "receipt seats status"
      receipt = "status"
      status  = ""
    }
    error_message = "Others tell each other of their events than the subscribers of their topics."
  }

  assert {
    condition     = toset(flatten([for role, told in local.tells : formatlist("${role}/%s", told)])) == run.topics.tells
    error_message = "Not exactly the subscribers of its topics are told by a role."
  }
}

run "the_role_of_the_machine" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.machine[0].assume_role_policy) == jsondecode(jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "RunMachine"
        Effect    = "Allow"
        Principal = { Service = "states.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = {
          StringEquals = { "aws:SourceAccount" = "123456789012" }
          ArnLike      = { "aws:SourceArn" = "arn:aws:states:eu-central-1:123456789012:stateMachine:booking" }
        }
      }]
    }))
    error_message = "Another than Step Functions, or another machine, may act as the machine."
  }

  assert {
    condition = aws_iam_role_policy.machine[0].role == "booking-machine" && toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.machine[0].policy).Statement : [
        for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
      ]
      ])) == toset(concat(
      formatlist("Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-%s-tasks", tolist(run.topics.roles)),
      formatlist("Allow logs:%s *", [
        "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
        "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups",
      ]),
    ))
    error_message = "The machine may do more, or less, than put tasks on the four queues and deliver its log."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.machine[0].policy).Statement : keys(statement) == ["Action", "Effect", "Resource", "Sid"]
    ])
    error_message = "A statement of the machine has other elements than Sid, Effect, Action and Resource."
  }
}

run "iam_policies" {
  command = plan

  assert {
    condition     = toset(keys(aws_iam_policy.publisher)) == setunion(run.topics.roles, ["client"])
    error_message = "There is not exactly one IAM policy for each role and one for clients."
  }

  # Each policy as a set of "effect action resource"; the expected one is built from topics/ alone.
  assert {
    condition = {
      for who, it in aws_iam_policy.publisher : who => join(", ", sort(flatten([
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
        ]
      ])))
      } == {
      for who in setunion(run.topics.roles, ["client"]) : who => join(", ", sort(concat(
        who != "client" ? [] : ["Allow states:StartExecution arn:aws:states:eu-central-1:123456789012:stateMachine:booking"],
        who == "client" ? [] : [
          "Allow sqs:ReceiveMessage arn:aws:sqs:eu-central-1:123456789012:booking-${who}-tasks",
          "Allow sqs:DeleteMessage arn:aws:sqs:eu-central-1:123456789012:booking-${who}-tasks",
          "Allow sqs:ChangeMessageVisibility arn:aws:sqs:eu-central-1:123456789012:booking-${who}-tasks",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${who}-tasks",
          "Allow sqs:GetQueueAttributes arn:aws:sqs:eu-central-1:123456789012:booking-${who}-tasks",
          "Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-${who}-tasks-dlq",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${who}-tasks-dlq",
        ],
        !contains(["seats", "payment", "receipt"], who) ? [] : [
          "Allow states:SendTaskSuccess *",
          "Allow states:SendTaskFailure *",
          "Allow states:SendTaskHeartbeat *",
        ],
        flatten([
          for pair in run.topics.tells : formatlist("Allow %s arn:aws:sqs:eu-central-1:123456789012:booking-${split("/", pair)[1]}-tasks", ["sqs:SendMessage", "sqs:GetQueueUrl"])
          if split("/", pair)[0] == who
        ]),
      )))
    }
    error_message = "An IAM policy allows more, or less, than its role does."
  }

  assert {
    condition = alltrue(flatten([
      for it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement :
        keys(statement) == ["Action", "Effect", "Resource", "Sid"] && length(statement.Action) > 0 && length(statement.Resource) > 0
      ]
    ]))
    error_message = "An IAM statement has other elements than Sid, Effect, Action and Resource, or an empty one."
  }

  # AWS knows no resource for an answer: a token says which task is meant.
  assert {
    condition = alltrue(flatten([
      for it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement : !strcontains(jsonencode(statement), "*") if statement.Sid != "AnswerTasks"
      ]
    ]))
    error_message = "Another statement than that of answers has a wildcard."
  }
}

run "with_tables_the_same_as_without_the_machine" {
  command = plan
  variables { store = "dynamodb" }

  assert {
    condition = {
      for who, it in aws_iam_policy.publisher : who => join(" ", [for statement in jsondecode(it.policy).Statement : statement.Sid])
      } == {
      client  = "StartBookings"
      payment = "ConsumeOwnQueue SetAside AnswerTasks TellBesideMachine KeepOwnState"
      receipt = "ConsumeOwnQueue SetAside AnswerTasks TellBesideMachine KeepOwnState"
      seats   = "ConsumeOwnQueue SetAside AnswerTasks TellBesideMachine KeepOwnState"
      status  = "ConsumeOwnQueue SetAside KeepOwnState FindOwnState"
    }
    error_message = "A policy has other statements than those of its queue, of its answers, of whom it tells, and of its table."
  }
}

run "with_watch_queues_status_looks_at_the_tasks" {
  command = plan
  variables { watch_queues = true }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.publisher["status"].policy).Statement : [
        for pair in setproduct(statement.Action, statement.Resource) : "${pair[0]} ${pair[1]}"
      ] if startswith(statement.Sid, "Watch")
      ])) == toset(concat(
      [
        for it in setproduct(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], setsubtract(run.topics.roles, ["status"]), ["", "-dlq"]) :
        "${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}-tasks${it[2]}"
      ],
      ["sqs:GetQueueAttributes arn:aws:sqs:eu-central-1:123456789012:booking-status-tasks-dlq"],
    ))
    error_message = "With watch_queues, status may look at more, or less, than the queues of tasks that it does not have."
  }
}

run "operators_put_tasks_back_and_go_on_with_executions" {
  command = plan

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.operator.policy).Statement : [
        for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
      ]
      ])) == toset(concat(
      [
        for it in setproduct(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], run.topics.roles, ["", "-dlq"]) :
        "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}-tasks${it[2]}"
      ],
      [
        for it in setproduct(["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"], run.topics.roles) :
        "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}-tasks-dlq"
      ],
      [for role in run.topics.roles : "Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-${role}-tasks"],
      [for role in run.topics.roles : "Allow sqs:StartMessageMoveTask arn:aws:sqs:eu-central-1:123456789012:booking-${role}-tasks-dlq"],
      ["Allow states:ListExecutions arn:aws:states:eu-central-1:123456789012:stateMachine:booking"],
      formatlist("Allow states:%s arn:aws:states:eu-central-1:123456789012:execution:booking:*", ["DescribeExecution", "GetExecutionHistory", "RedriveExecution"]),
    ))
    error_message = "The operator policy allows more, or less, than to put tasks back, and to look at executions and go on with them."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_policy.operator.policy).Statement : length(statement.Resource) > 0])
    error_message = "A statement of the operator policy has no resource, which AWS refuses."
  }
}

run "queue_policies_of_services_elsewhere" {
  command = plan

  assert {
    condition = {
      for role, it in aws_sqs_queue.role : role => it.policy
      } == {
      for role in run.topics.roles : role => jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid       = "AskAndTell"
          Effect    = "Allow"
          Principal = { AWS = "arn:aws:iam::123456789012:root" }
          Action    = "sqs:SendMessage"
          Resource  = "arn:aws:sqs:eu-central-1:123456789012:booking-${role}-tasks"
          Condition = {
            ArnEquals = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/booking-machine"] }
          }
        }]
      })
    }
    error_message = "A queue of tasks takes messages from another than the machine."
  }
}

run "queue_policies_of_services" {
  command = plan

  variables {
    prefix     = "staging-"
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
    secrets    = { seal_key = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/seal-key" }
  }

  # Whole, and who may send as a set.
  assert {
    condition = alltrue(flatten([
      for role in run.topics.roles : [
        for policy in [jsondecode(aws_sqs_queue.role[role].policy)] : (
          length(policy.Statement) == 1 &&
          keys(policy.Statement[0]) == ["Action", "Condition", "Effect", "Principal", "Resource", "Sid"] &&
          policy.Statement[0].Effect == "Allow" &&
          policy.Statement[0].Principal == { AWS = "arn:aws:iam::123456789012:root" } &&
          policy.Statement[0].Action == "sqs:SendMessage" &&
          policy.Statement[0].Resource == "arn:aws:sqs:eu-central-1:123456789012:staging-booking-${role}-tasks" &&
          keys(policy.Statement[0].Condition) == ["ArnEquals"] &&
          keys(policy.Statement[0].Condition.ArnEquals) == ["aws:PrincipalArn"]
        )
      ]
    ]))
    error_message = "A queue policy allows more, or less, than to send to that queue."
  }

  assert {
    condition = {
      for role, it in aws_sqs_queue.role : role => join(", ", sort(jsondecode(it.policy).Statement[0].Condition.ArnEquals["aws:PrincipalArn"]))
      } == {
      for role in run.topics.roles : role => join(", ", sort(concat(
        ["arn:aws:iam::123456789012:role/staging-booking-machine"],
        [for pair in run.topics.tells : "arn:aws:iam::123456789012:role/staging-booking-${split("/", pair)[0]}-task" if split("/", pair)[1] == role],
      )))
    }
    error_message = "A queue of tasks takes messages from others than the machine and the tasks of the roles that tell it."
  }

  assert {
    condition     = toset([for role, it in aws_iam_role.task : it.name]) == toset(formatlist("staging-booking-%s-task", run.topics.roles))
    error_message = "The roles that the queue policies name are not those of the tasks."
  }
}

run "with_a_key_of_the_customer" {
  command = plan
  variables { kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }

  assert {
    condition = aws_cloudwatch_log_group.machine[0].kms_key_id == var.kms_key_arn && alltrue([
      for it in concat(values(aws_sqs_queue.role), values(aws_sqs_queue.dlq)) : it.kms_master_key_id == var.kms_key_arn
    ])
    error_message = "A queue of tasks, or the log of the machine, is not encrypted with the given key."
  }

  # SQS uses the key in the name of whoever sends and receives. A client does neither.
  assert {
    condition = {
      for who, policy in merge(
        { for who, it in aws_iam_policy.publisher : who => it.policy },
        { operator = aws_iam_policy.operator.policy, machine = aws_iam_role_policy.machine[0].policy },
        ) : who => join(", ", [
          for statement in jsondecode(policy).Statement : jsonencode(statement) if strcontains(jsonencode(statement), "kms")
      ])
      } == {
      for who in setunion(run.topics.roles, ["client", "operator", "machine"]) : who => who == "client" ? "" : jsonencode({
        Sid      = "UseKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource = [var.kms_key_arn]
      })
    }
    error_message = "Not exactly the machine, the roles and operators may use exactly the given key."
  }
}
