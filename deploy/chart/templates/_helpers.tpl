{{- define "imagegate.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "imagegate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "imagegate.labels" -}}
{{ include "imagegate.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "imagegate.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- /* What every pod has: no rights, no token of the cluster, no variables named after services. */}}
{{- define "imagegate.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "imagegate.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- /* The folder below the volume is made by the process with mode 0700; the volume's own belongs to root. */}}
{{- define "imagegate.env" -}}
env:
  {{- if .root.Values.metrics.tokenKey }}
  - name: IMAGEGATE_METRICS_TOKEN_FILE
    value: /run/secrets/imagegate/{{ .root.Values.metrics.tokenKey }}
  {{- else if and .root.Values.ingress.enabled (eq .component "gateway") }}
  - name: IMAGEGATE_METRICS
    value: "false"
  {{- end }}
  - name: IMAGEGATE_DATA
    value: /data/imagegate
  - name: IMAGEGATE_CONFIG
    value: /etc/imagegate/imagegate.toml
  - name: IMAGEGATE_SECRET_FILE
    value: /run/secrets/imagegate/secret
  - name: IMAGEGATE_DATABASE_FILE
    value: /run/secrets/imagegate/database
  - name: IMAGEGATE_STORAGE
    value: {{ .root.Values.storage.url | quote }}
  - name: IMAGEGATE_PUBLIC_URL
    value: {{ .root.Values.publicUrl | quote }}
  # Longer than controllers keep idle connections (60 s): no request meets one that is being closed.
  - name: IMAGEGATE_HEAD_TIMEOUT_S
    value: "75"
  {{- with .root.Values.trustedProxies }}
  - name: IMAGEGATE_TRUSTED_PROXIES
    value: {{ join "," . | quote }}
  {{- end }}
  {{- range $name, $value := .root.Values.storage.env }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- with .root.Values.storage.existingSecret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}

{{- define "imagegate.mounts" -}}
volumeMounts:
  - name: data
    mountPath: /data
  - name: tmp
    mountPath: /tmp
  - name: config
    mountPath: /etc/imagegate
    readOnly: true
  - name: secrets
    mountPath: /run/secrets/imagegate
    readOnly: true
{{- end }}

{{- define "imagegate.volumes" -}}
- name: tmp
  emptyDir:
    medium: Memory
    sizeLimit: 256Mi
- name: config
  configMap:
    name: {{ include "imagegate.name" . }}
- name: secrets
  secret:
    secretName: {{ .Values.existingSecret }}
    defaultMode: 0440
{{- end }}

{{- define "imagegate.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: http }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: http }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{- define "imagegate.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "imagegate.selector" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end }}
