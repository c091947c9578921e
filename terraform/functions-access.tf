# The IAM roles of the functions: each has its own, with exactly its policy from access.tf, which also
# allows Lambda to receive from its queue, and with the right to write its own log.

locals {
  function_role_names = { for role in local.functions : role => "${var.prefix}booking-${role}-function" }
  function_role_arns  = { for role, name in local.function_role_names : role => "${local.iam}:role/${name}" }
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name        = local.function_role_names[each.key]
  description = "The function of the booking service ${each.key}."

  # Without a condition: AWS documents none for this, and Lambda gives a function no role of another
  # account.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RunFunction"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "function" {
  for_each = local.functions

  role       = aws_iam_role.function[each.key].name
  policy_arn = "${local.iam}:policy/${aws_iam_policy.publisher[each.key].name}"

  depends_on = [aws_iam_policy.publisher]
}

# Not logs:CreateLogGroup: a log group that Lambda made would be kept for ever.
resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name = "write-log"
  role = aws_iam_role.function[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "WriteLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${local.log_groups[each.key]}:log-stream:*"]
    }]
  })
}
