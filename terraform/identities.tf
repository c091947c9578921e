# The IAM roles of the tasks: each service has a role of its own, with exactly its policy from
# access.tf. ECS itself uses the execution role, before the container starts and to write its logs.

locals {
  iam = "arn:${local.partition}:iam::${local.account_id}"

  task_role_names    = { for role in local.running : role => "${var.prefix}booking-${role}-task" }
  task_role_arns     = { for role, name in local.task_role_names : role => "${local.iam}:role/${name}" }
  execution_role     = "${var.prefix}booking-execution"
  execution_role_arn = "${local.iam}:role/${local.execution_role}"

  # Only ECS may take these roles, and only for tasks of this account: no other account can make ECS
  # use them.
  trust_ecs = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RunTasks"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:*" }
      }
    }]
  })

  # The right to read exactly this secret: for ECS, which gives it to the containers, and for
  # operators, who send canaries.
  canary_key_statements = var.canary_key_arn == null ? [] : [{
    Sid      = "ReadCanaryKey"
    Effect   = "Allow"
    Action   = [strcontains(var.canary_key_arn, ":ssm:") ? "ssm:GetParameters" : "secretsmanager:GetSecretValue"]
    Resource = [var.canary_key_arn]
  }]

  # The right to read exactly the secrets of var.secrets, for ECS alone: one statement for each of the
  # two services that keep secrets.
  secret_arns = distinct(compact([var.secrets.stripe_key, var.secrets.smtp_password, var.secrets.status_token, var.secrets.seal_key]))
  secret_statements = [
    for it in [
      { sid = "ReadParameters", service = "ssm", action = "ssm:GetParameters" },
      { sid = "ReadSecrets", service = "secretsmanager", action = "secretsmanager:GetSecretValue" },
      ] : {
      Sid      = it.sid
      Effect   = "Allow"
      Action   = [it.action]
      Resource = [for arn in local.secret_arns : arn if split(":", arn)[2] == it.service]
    } if anytrue([for arn in local.secret_arns : split(":", arn)[2] == it.service])
  ]

  # Only if the secrets are encrypted with a key of the customer, and only while one of these services
  # decrypts a secret for ECS: never for ciphertext from elsewhere.
  secret_key_statements = var.secrets.kms_key == null ? [] : [{
    Sid      = "DecryptSecrets"
    Effect   = "Allow"
    Action   = ["kms:Decrypt"]
    Resource = [var.secrets.kms_key]
    Condition = {
      StringEquals = {
        "kms:ViaService" = distinct([for arn in local.secret_arns : "${split(":", arn)[2]}.${split(":", arn)[3]}.amazonaws.com"])
      }
    }
  }]

  # Account, region and repository, if the image is in ECR. Other registries do not use IAM.
  ecr = try(regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr(?:-fips)?\\.(?P<region>[a-z0-9-]+)\\.[a-z0-9.-]+/(?P<name>[^:@]+)", var.image), null)
}

resource "aws_iam_role" "task" {
  for_each = local.running

  name               = local.task_role_names[each.key]
  description        = "The tasks of the booking service ${each.key}."
  assume_role_policy = local.trust_ecs
}

resource "aws_iam_role_policy_attachment" "task" {
  for_each = local.running

  role       = aws_iam_role.task[each.key].name
  policy_arn = "${local.iam}:policy/${aws_iam_policy.publisher[each.key].name}"

  depends_on = [aws_iam_policy.publisher]
}

resource "aws_iam_role" "execution" {
  count = length(local.running) == 0 ? 0 : 1

  name               = local.execution_role
  description        = "Starts the tasks of the booking services: fetches the image, reads the secrets, writes the logs."
  assume_role_policy = local.trust_ecs
}

resource "aws_iam_role_policy" "execution" {
  count = length(local.running) == 0 ? 0 : 1

  name = "start-tasks"
  role = aws_iam_role.execution[0].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for name in values(local.log_groups) : "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${name}:log-stream:*"]
      }],
      local.canary_key_statements,
      local.secret_statements,
      local.secret_key_statements,
      local.ecr == null ? [] : [
        {
          Sid      = "FetchImage"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
          Resource = ["arn:${local.partition}:ecr:${local.ecr.region}:${local.ecr.account}:repository/${local.ecr.name}"]
        },
        # A token is valid for the whole registry, so AWS allows no resource here but the star.
        {
          Sid      = "LogIn"
          Effect   = "Allow"
          Action   = ["ecr:GetAuthorizationToken"]
          Resource = ["*"]
        },
      ],
    )
  })
}
