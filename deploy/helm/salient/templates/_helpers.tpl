{{- define "salient.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Names of objects: 46 characters at most, so that a suffix fits. */}}
{{- define "salient.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" -}}
{{- else if contains (include "salient.name" .) .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "salient.name" .) | trunc 46 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "salient.selector" -}}
app.kubernetes.io/name: {{ include "salient.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "salient.labels" -}}
{{ include "salient.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "salient.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "salient.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "salient.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The URLs of stores and broker that are given in values, for a Secret. */}}
{{- define "salient.secretData" -}}
{{- range $name := list "tables" "records" "blobs" "cache" "search" }}
{{- $store := index $.Values.stores $name }}
{{- if not $store.existingSecret }}
{{ $name }}: {{ required (printf "stores.%s needs a url, or an existingSecret that holds one" $name) $store.url | quote }}
{{- end }}
{{- end }}
{{- if not .Values.work.existingSecret }}
work: {{ required "work needs a url such as celery:redis://HOST:6379/0, or an existingSecret that holds one" .Values.work.url | quote }}
{{- end }}
{{- if and .Values.token.value (not .Values.token.existingSecret) }}
token: {{ .Values.token.value | quote }}
{{- end }}
{{- end -}}

{{/* Variables from secrets. Takes (dict "root" $ "secret" NAME). */}}
{{- define "salient.secretEnv" -}}
{{- $root := .root -}}
{{- range $name := list "tables" "records" "blobs" "cache" "search" }}
{{- $store := index $root.Values.stores $name }}
- name: SALIENT_STORAGE__{{ upper $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $store.existingSecret | default $.secret }}
      key: {{ ternary $store.key $name (not (empty $store.existingSecret)) }}
{{- end }}
- name: SALIENT_WORK__ON
  valueFrom:
    secretKeyRef:
      name: {{ $root.Values.work.existingSecret | default .secret }}
      key: {{ ternary $root.Values.work.key "work" (not (empty $root.Values.work.existingSecret)) }}
{{- if or $root.Values.token.value $root.Values.token.existingSecret }}
- name: SALIENT_WEB__TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ $root.Values.token.existingSecret | default .secret }}
      key: {{ ternary $root.Values.token.key "token" (not (empty $root.Values.token.existingSecret)) }}
{{- end }}
{{- end -}}

{{/* Variables that are no secrets. */}}
{{- define "salient.plainEnv" -}}
{{- $hosts := list "localhost" (include "salient.fullname" .) (printf "%s.%s" (include "salient.fullname" .) .Release.Namespace) (printf "%s.%s.svc" (include "salient.fullname" .) .Release.Namespace) -}}
{{- range .Values.ingress.hosts }}{{- $hosts = append $hosts . }}{{- end -}}
- name: SALIENT_WEB__HOSTS
  value: {{ $hosts | toJson | quote }}
- name: SALIENT_WORK__OCR_POOL
  value: {{ .Values.workerOcr.enabled | quote }}
{{- range $name, $value := .Values.settings }}
- name: SALIENT_{{ $name | replace "." "__" | upper }}
  value: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else }}{{ $value | toJson | quote }}{{ end }}
{{- end }}
{{- end -}}

{{- define "salient.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "salient.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "salient.mounts" -}}
- name: tmp
  mountPath: /tmp
- name: data
  mountPath: /data
{{- end -}}

{{- define "salient.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.scratch.tmpSize }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.scratch.dataSize }}
{{- end -}}

{{/* A Deployment. Takes (dict "root" $ "role" NAME "args" LIST "values" VALUES "replicas" NUMBER-OR-NONE). */}}
{{- define "salient.deployment" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "salient.fullname" $root }}-{{ .role }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "salient.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- if not (kindIs "invalid" .replicas) }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "salient.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .role }}
  template:
    metadata:
      labels:
        {{- include "salient.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
        {{- with $root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        # Pods follow changes of what they read at their start.
        checksum/secret: {{ include "salient.secretData" $root | sha256sum }}
        {{- with $root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "salient.serviceAccount" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
      securityContext:
        {{- include "salient.podSecurity" $root | nindent 8 }}
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with $root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      containers:
        - name: {{ .role }}
          image: {{ include "salient.image" $root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ .args | toJson }}
          env:
            {{- include "salient.secretEnv" (dict "root" $root "secret" (printf "%s-stores" (include "salient.fullname" $root))) | nindent 12 }}
            {{- include "salient.plainEnv" $root | nindent 12 }}
          {{- with $root.Values.credentials.existingSecret }}
          envFrom:
            - secretRef:
                name: {{ . }}
          {{- end }}
          ports:
            - name: http
              containerPort: 8080
              protocol: TCP
          # Loading the models takes a while on a busy node.
          startupProbe:
            httpGet: {path: /health, port: http}
            periodSeconds: 5
            failureThreshold: 36
          livenessProbe:
            httpGet: {path: /health, port: http}
            periodSeconds: 15
            timeoutSeconds: 5
            failureThreshold: 4
          readinessProbe:
            httpGet: {path: /ready, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 2
          {{- if eq .role "api" }}
          lifecycle:
            preStop:
              # Until no proxy sends requests here any more.
              exec:
                command: [sleep, "5"]
          {{- end }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "salient.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            {{- include "salient.mounts" $root | nindent 12 }}
      volumes:
        {{- include "salient.volumes" $root | nindent 8 }}
      {{- if $root.Values.topologySpread.enabled }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: {{ $root.Values.topologySpread.topologyKey }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "salient.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ .role }}
      {{- end }}
      {{- with .values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
