using System.Reflection;
using System.Runtime.CompilerServices;

namespace Orleans.Serialization;

/// <summary>
/// Copies a type that has [GenerateSerializer]: its members with [Id] and, of a record, those of its primary constructor. Others
/// keep what the parameterless constructor gives them, or their default.
/// </summary>
internal sealed class MemberCopier : Copier
{
    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
    private readonly Type _type;
    private readonly List<(MemberInfo Member, Copier? Copier)> _members = [];

    public MemberCopier(Type type)
    {
        _type = type;
        for (var level = type; level is not null && level != typeof(object) && level != typeof(ValueType); level = level.BaseType!)
        {
            if (!level.IsDefined(typeof(GenerateSerializerAttribute), inherit: false))
            {
                throw new KeyNotFoundException($"Could not find a base type copier for type {level}.");
            }

            _members.AddRange(GetMembers(level).Select(member => (member, GetCopier(member))));
        }
    }

    public override object? Copy(object? value, CopyContext context)
    {
        if (value is null)
        {
            return null;
        }

        if (value.GetType() != _type)
        {
            return Get(value.GetType()).Copy(value, context);
        }

        if (context.Copies.TryGetValue(value, out var existing))
        {
            return existing;
        }

        // A struct is copied whole, and then its members that need it.
        var copy = _type.IsValueType ? RuntimeHelpers.GetObjectValue(value) : CreateInstance(_type);
        if (!_type.IsValueType)
        {
            context.Copies.Add(value, copy);
        }

        foreach (var (member, copier) in _members)
        {
            var original = GetValue(member, value);
            SetValue(member, copy, copier is null ? original : copier.Copy(original, context));
        }

        return copy;
    }

    private static Copier? GetCopier(MemberInfo member)
    {
        var type = member is FieldInfo field ? field.FieldType : ((PropertyInfo)member).PropertyType;
        return member.IsDefined(typeof(ImmutableAttribute)) ? null : Get(type);
    }

    private static IEnumerable<MemberInfo> GetMembers(Type level)
    {
        var fromConstructor = GetPrimaryConstructorNames(level);
        foreach (var property in level.GetProperties(Declared))
        {
            var isMember = property.IsDefined(typeof(IdAttribute)) || fromConstructor.Contains(property.Name);
            if (isMember)
            {
                yield return level.GetField($"<{property.Name}>k__BackingField", Declared) is { } field && !property.IsDefined(typeof(ImmutableAttribute))
                    ? field
                    : property;
            }
        }

        foreach (var field in level.GetFields(Declared).Where(field => field.IsDefined(typeof(IdAttribute))))
        {
            yield return field;
        }
    }

    /// <summary>Names of a positional record's properties: its Deconstruct, made by the compiler, has the same parameters.</summary>
    private static HashSet<string> GetPrimaryConstructorNames(Type level)
    {
        var attribute = level.GetCustomAttribute<GenerateSerializerAttribute>(inherit: false)!;
        var isRecord = level.GetMethod("PrintMembers", Declared) is not null;
        if (!isRecord && !attribute.IncludePrimaryConstructorParameters)
        {
            return [];
        }

        var deconstruct = level.GetMethods(Declared).FirstOrDefault(
            method => method.Name == "Deconstruct" && method.IsDefined(typeof(CompilerGeneratedAttribute)));
        return [.. deconstruct?.GetParameters().Select(parameter => parameter.Name!) ?? []];
    }

    private static object? GetValue(MemberInfo member, object owner) =>
        member is FieldInfo field ? field.GetValue(owner) : ((PropertyInfo)member).GetValue(owner);

    private static void SetValue(MemberInfo member, object owner, object? value)
    {
        if (member is FieldInfo field)
        {
            field.SetValue(owner, value);
        }
        else if (member is PropertyInfo { CanWrite: true } property)
        {
            property.SetValue(owner, value);
        }
        else
        {
            var backing = member.DeclaringType!.GetField($"<{member.Name}>k__BackingField", Declared);
            backing?.SetValue(owner, value);
        }
    }
}
