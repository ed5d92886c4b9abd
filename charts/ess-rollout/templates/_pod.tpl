{{/*
The pod of the Deployment (command "run") and that of `helm test` (command "check"), with the same image, rights, flags,
environment and volumes: what the one is told, the other checks.
*/}}
{{- define "ess-rollout.pod" -}}
{{- $command := .command }}
{{- $runs := eq .command "run" }}
{{- $root := .root }}
{{- with .root }}
{{- $credentials := .Values.credentials -}}
serviceAccountName: {{ include "ess-rollout.serviceAccountName" . }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- if $runs }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- if not $runs }}
restartPolicy: Never
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: {{ $runs | ternary "operator" "check" }}
    image: {{ include "ess-rollout.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
      - {{ $command }}
      {{- if not $runs }}
      {{- with .Values.check.scalingGroup }}
      - --scaling-group={{ . }}
      {{- end }}
      {{- end }}
      - --health-addr=0.0.0.0:8080
      {{- with .Values.leaderElection }}
      {{- if .enabled }}
      - --leader-elect=true
      - --leader-elect-lease-name={{ include "ess-rollout.fullname" $root }}
      - --leader-elect-lease-duration-seconds={{ .leaseDurationSeconds | int }}
      - --leader-elect-renew-deadline-seconds={{ .renewDeadlineSeconds | int }}
      - --leader-elect-retry-period-seconds={{ .retryPeriodSeconds | int }}
      {{- else }}
      - --leader-elect=false
      {{- end }}
      {{- end }}
      - --network={{ .Values.network }}
      - --poll-interval-seconds={{ .Values.pollIntervalSeconds | int }}
      - --settle-seconds={{ .Values.settleSeconds | int }}
      {{- with .Values.cloudRates.oosReadsPerSecond }}
      - --oos-reads-per-second={{ . | int }}
      {{- end }}
      {{- with .Values.cloudRates.oosStartsPerSecond }}
      - --oos-starts-per-second={{ . | int }}
      {{- end }}
      {{- with .Values.cloudRates.oosRequestsPerSecond }}
      - --oos-requests-per-second={{ . | int }}
      {{- end }}
      {{- with .Values.workers }}
      - --workers={{ . | int }}
      {{- end }}
      - --log-format={{ .Values.log.format }}
      - --log-level={{ .Values.log.level }}
      {{- with .Values.region }}
      - --region={{ . }}
      {{- end }}
      {{- with .Values.watchNamespaces }}
      - --watch-namespaces={{ join "," . }}
      {{- end }}
      {{- if eq (include "ess-rollout.checksRequests" .) "true" }}
      - --admission-policy={{ include "ess-rollout.policyName" . }}.requests
      {{- end }}
      {{- with .Values.ownCredentials.namespaces }}
      - --own-credentials-namespaces={{ join "," . }}
      {{- end }}
      {{- with .Values.ownCredentials.ramRoles }}
      - --own-credentials-ram-roles={{ join "," . }}
      {{- end }}
      {{- range $service, $url := .Values.endpoints }}
      - --endpoint={{ $service }}={{ $url }}
      {{- end }}
      {{- if .Values.gateEndpoints }}
      - --gate-endpoints=/etc/ess-rollout/gate-endpoints/endpoints.json
      {{- end }}
      {{- range .Values.extraArgs }}
      - {{ . | quote }}
      {{- end }}
    env:
      - name: POD_NAMESPACE
        valueFrom:
          fieldRef:
            fieldPath: metadata.namespace
      - name: POD_NAME
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
      {{- with $credentials.existingSecret }}
      - name: ALIBABA_CLOUD_ACCESS_KEY_ID
        valueFrom:
          secretKeyRef:
            name: {{ . }}
            key: {{ $credentials.keys.accessKeyId }}
      - name: ALIBABA_CLOUD_ACCESS_KEY_SECRET
        valueFrom:
          secretKeyRef:
            name: {{ . }}
            key: {{ $credentials.keys.accessKeySecret }}
      - name: ALIBABA_CLOUD_SECURITY_TOKEN
        valueFrom:
          secretKeyRef:
            name: {{ . }}
            key: {{ $credentials.keys.securityToken }}
            optional: true
      {{- end }}
      {{- if $credentials.oidc.roleArn }}
      - name: ALIBABA_CLOUD_ROLE_ARN
        value: {{ $credentials.oidc.roleArn | quote }}
      - name: ALIBABA_CLOUD_OIDC_PROVIDER_ARN
        value: {{ $credentials.oidc.providerArn | quote }}
      - name: ALIBABA_CLOUD_OIDC_TOKEN_FILE
        value: /var/run/secrets/ess-rollout/oidc/token
      {{- end }}
      {{- if $credentials.ecsRamRole }}
      - name: ALIBABA_CLOUD_ECS_METADATA
        value: {{ $credentials.ecsRamRole | quote }}
      {{- else if not (or $credentials.existingSecret $credentials.rrsa.roleName $credentials.oidc.roleArn) }}
      # The role of the node is nobody's credentials unless somebody says so.
      - name: ALIBABA_CLOUD_ECS_METADATA_DISABLED
        value: "true"
      {{- end }}
      {{- /* A name that is there twice would have the apiserver refuse a later change of one of them: extraEnv wins. */}}
      {{- $extra := list }}
      {{- range .Values.extraEnv }}
      {{- $extra = append $extra .name }}
      {{- end }}
      {{- if and .Values.proxy.httpsProxy (not (has "HTTPS_PROXY" $extra)) }}
      - name: HTTPS_PROXY
        value: {{ .Values.proxy.httpsProxy | quote }}
      {{- end }}
      {{- if and .Values.proxy.httpProxy (not (has "HTTP_PROXY" $extra)) }}
      - name: HTTP_PROXY
        value: {{ .Values.proxy.httpProxy | quote }}
      {{- end }}
      {{- if and .Values.proxy.noProxy (not (has "NO_PROXY" $extra)) }}
      - name: NO_PROXY
        value: {{ join "," .Values.proxy.noProxy | quote }}
      {{- end }}
      {{- if .Values.caBundle.configMap }}
      # Besides the public authorities, which are in the image.
      - name: SSL_CERT_FILE
        value: /etc/ssl/certs/ca-certificates.crt
      - name: SSL_CERT_DIR
        value: /etc/ess-rollout/ca
      {{- end }}
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .Values.extraEnvFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if $runs }}
    ports:
      - name: http
        containerPort: 8080
    livenessProbe:
      httpGet:
        path: /livez
        port: http
      periodSeconds: 10
      timeoutSeconds: 5
    readinessProbe:
      httpGet:
        path: /readyz
        port: http
      periodSeconds: 5
      timeoutSeconds: 5
    {{- end }}
    {{- with .Values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    {{- if or $credentials.oidc.roleArn .Values.caBundle.configMap .Values.gateEndpoints .Values.extraVolumeMounts }}
    volumeMounts:
      {{- if $credentials.oidc.roleArn }}
      - name: oidc-token
        mountPath: /var/run/secrets/ess-rollout/oidc
        readOnly: true
      {{- end }}
      {{- if .Values.caBundle.configMap }}
      - name: ca-bundle
        mountPath: /etc/ess-rollout/ca
        readOnly: true
      {{- end }}
      {{- if .Values.gateEndpoints }}
      - name: gate-endpoints
        mountPath: /etc/ess-rollout/gate-endpoints
        readOnly: true
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
{{- if or $credentials.oidc.roleArn .Values.caBundle.configMap .Values.gateEndpoints .Values.extraVolumes }}
volumes:
  {{- if $credentials.oidc.roleArn }}
  - name: oidc-token
    projected:
      sources:
        - serviceAccountToken:
            audience: sts.aliyuncs.com
            expirationSeconds: 3600
            path: token
  {{- end }}
  {{- with .Values.caBundle.configMap }}
  - name: ca-bundle
    configMap:
      name: {{ . }}
      items:
        - key: {{ $root.Values.caBundle.key }}
          path: ca.crt
  {{- end }}
  {{- if .Values.gateEndpoints }}
  - name: gate-endpoints
    projected:
      sources:
        - configMap:
            name: {{ include "ess-rollout.fullname" . }}-gate-endpoints
        {{- range $endpoint := .Values.gateEndpoints }}
        {{- with $endpoint.basicSecret }}
        - secret:
            name: {{ .name }}
            items:
              - key: {{ .usernameKey | default "username" }}
                path: {{ $endpoint.name }}/username
              - key: {{ .passwordKey | default "password" }}
                path: {{ $endpoint.name }}/password
        {{- end }}
        {{- with $endpoint.bearerTokenSecret }}
        - secret:
            name: {{ .name }}
            items:
              - key: {{ .key | default "token" }}
                path: {{ $endpoint.name }}/token
        {{- end }}
        {{- with $endpoint.authorizationSecret }}
        - secret:
            name: {{ .name }}
            items:
              - key: {{ .key | default "authorization" }}
                path: {{ $endpoint.name }}/authorization
        {{- end }}
        {{- with $endpoint.caConfigMap }}
        - configMap:
            name: {{ .name }}
            items:
              - key: {{ .key | default "ca.crt" }}
                path: {{ $endpoint.name }}/ca.crt
        {{- end }}
        {{- end }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $runs }}
{{- if .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
{{- else if gt (int .Values.replicaCount) 1 }}
# On two nodes, and in two zones, where there are as many.
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    # Of one version, or those of the old one would push the new ones together.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "ess-rollout.selectorLabels" $root | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
