{{- define "ess-rollout.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "ess-rollout.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "ess-rollout.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Names of cluster-wide objects hold the namespace: the same release name may exist in two namespaces. */}}
{{- define "ess-rollout.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "ess-rollout.fullname" .) }}
{{- end }}

{{/* The same for admission policies, whose names have no colon. */}}
{{- define "ess-rollout.policyName" -}}
{{- printf "%s.%s" .Release.Namespace (include "ess-rollout.fullname" .) }}
{{- end }}

{{/* "true" where names are written by the apiserver. */}}
{{- define "ess-rollout.stampsRequester" -}}
{{- $there := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}
{{- eq (toString .Values.admission.stampRequester) "Auto" | ternary $there (eq (toString .Values.admission.stampRequester) "true") }}
{{- end }}

{{/* "true" where requests are checked. Auto: where plain kubectl annotate goes on working, because names are written too. */}}
{{- define "ess-rollout.checksRequests" -}}
{{- $auto := eq (include "ess-rollout.stampsRequester" .) "true" }}
{{- eq (toString .Values.admission.policies.enabled) "Auto" | ternary $auto (eq (toString .Values.admission.policies.enabled) "true") }}
{{- end }}

{{- define "ess-rollout.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "ess-rollout.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "ess-rollout.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ess-rollout.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "ess-rollout.checkName" -}}
{{- printf "%s-check" (include "ess-rollout.name" . | trunc 57 | trimSuffix "-") }}
{{- end }}

{{/* Of the pod of `helm test`. */}}
{{- define "ess-rollout.checkLabels" -}}
app.kubernetes.io/name: {{ include "ess-rollout.checkName" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: check
app.kubernetes.io/part-of: ess-rollout
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "ess-rollout.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{ include "ess-rollout.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: ess-rollout
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The registry of all charts goes before that of this one. */}}
{{- define "ess-rollout.image" -}}
{{- with default .Values.image.registry (.Values.global).imageRegistry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* Refuses settings that contradict each other, before anything is installed. */}}
{{- define "ess-rollout.check" -}}
{{- $kinds := list }}
{{- if .Values.credentials.existingSecret }}{{ $kinds = append $kinds "existingSecret" }}{{ end }}
{{- if .Values.credentials.rrsa.roleName }}{{ $kinds = append $kinds "rrsa" }}{{ end }}
{{- if or .Values.credentials.oidc.roleArn .Values.credentials.oidc.providerArn }}{{ $kinds = append $kinds "oidc" }}{{ end }}
{{- if .Values.credentials.ecsRamRole }}{{ $kinds = append $kinds "ecsRamRole" }}{{ end }}
{{- if gt (len $kinds) 1 }}
{{- fail (printf "credentials: set one of existingSecret, rrsa, oidc and ecsRamRole, not %s" (join " and " $kinds)) }}
{{- end }}
{{- if and (has "oidc" $kinds) (not (and .Values.credentials.oidc.roleArn .Values.credentials.oidc.providerArn)) }}
{{- fail "credentials.oidc: set both roleArn and providerArn" }}
{{- end }}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.leaderElection.enabled) }}
{{- fail "replicaCount: more than 1 needs leaderElection.enabled" }}
{{- end }}
{{- if .Values.watchNamespaces }}
{{- range .Values.rbac.secretNamespaces }}
{{- if not (has . $.Values.watchNamespaces) }}
{{- fail (printf "rbac.secretNamespaces: %s is not among watchNamespaces" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ess-rollout.checkAdmission" -}}
{{- if and (eq (include "ess-rollout.stampsRequester" .) "true") (ne (include "ess-rollout.checksRequests" .) "true") }}
{{- if eq (toString .Values.admission.stampRequester) "true" }}
{{- fail "admission.stampRequester: names are written for the policy that checks them: set admission.policies.enabled too" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the operator does with tasks. */}}
{{- define "ess-rollout.taskRules" -}}
- apiGroups: [ess-rollout.io]
  resources: [rollingupdatetasks, rollbacks, imageupdatetasks]
  # patch: finalizers and the execution-id annotation; delete: ttlSecondsAfterFinished.
  verbs: [get, list, watch, patch, update, delete]
- apiGroups: [ess-rollout.io]
  resources: [rollbacks]
  # spec.gates.onFailed: Rollback.
  verbs: [create]
- apiGroups: [ess-rollout.io]
  resources: [rollingupdatetasks/status, rollbacks/status, imageupdatetasks/status]
  verbs: [get, patch, update]
- apiGroups: [ess-rollout.io]
  resources: [rollingupdatetasks/finalizers, rollbacks/finalizers, imageupdatetasks/finalizers]
  verbs: [update]
- apiGroups: [ess-rollout.io]
  resources: [maintenancewindows]
  verbs: [get, list, watch]
- apiGroups: [ess-rollout.io]
  resources: [maintenancewindows/status]
  verbs: [patch]
{{- end }}

{{/* What else it does in the namespaces of tasks. */}}
{{- define "ess-rollout.namespaceRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "ess-rollout.secretRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}

{{- define "ess-rollout.subjects" -}}
- kind: ServiceAccount
  name: {{ include "ess-rollout.serviceAccountName" . }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}

{{/*
The file of --gate-endpoints. Secrets are not in it, but the paths where they are mounted.
*/}}
{{- define "ess-rollout.gateEndpoints" -}}
{{- $all := list }}
{{- range .Values.gateEndpoints }}
{{- $at := printf "/etc/ess-rollout/gate-endpoints/%s" .name }}
{{- $one := pick . "name" "kind" "url" "timeoutSeconds" "namespaces" "useProxy" }}
{{- if .basicSecret }}
{{- $files := dict "usernameFile" (printf "%s/username" $at) "passwordFile" (printf "%s/password" $at) }}
{{- $_ := set $one "auth" (dict "basic" $files) }}
{{- else if .bearerTokenSecret }}
{{- $_ := set $one "auth" (dict "bearerTokenFile" (printf "%s/token" $at)) }}
{{- else if .authorizationSecret }}
{{- $_ := set $one "auth" (dict "authorizationFile" (printf "%s/authorization" $at)) }}
{{- end }}
{{- if .caConfigMap }}
{{- $_ := set $one "caFile" (printf "%s/ca.crt" $at) }}
{{- end }}
{{- $all = append $all $one }}
{{- end }}
{{- $all | toJson }}
{{- end }}
